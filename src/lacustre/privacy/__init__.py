"""The rights of the person behind the data: erasure with its proof (RGPD, article 17), portability (article 20)."""
