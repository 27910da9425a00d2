SELECT
  TRY_CAST(CAST(CAST(COALESCE(LEN(r."component"), 0) AS INT) AS BIGINT) + CAST(1 AS BIGINT) AS INT) AS "sum",
  LIST_TRANSFORM(
    LIST_TRANSFORM(
      [STRUCT_PACK("a" := r."valueQuantity"."value", "b" := '2')],
      LAMBDA k : STRUCT_PACK(
        "a" := k."a",
        "b" := k."b",
        "x" := TRY_CAST(k."a" AS DECIMAL(18, 6)),
        "y" := TRY_CAST(k."b" AS DECIMAL(18, 6))
      )
    ),
    LAMBDA k : CASE
      WHEN LENGTH(k."a") <= 15
      AND TRY_CAST(k."a" AS DOUBLE) = CAST(k."x" AS DOUBLE)
      AND LENGTH(k."b") <= 15
      AND TRY_CAST(k."b" AS DOUBLE) = CAST(k."y" AS DOUBLE)
      THEN CASE
        WHEN CONTAINS(CAST(CAST(k."x" AS DECIMAL(38, 6)) * CAST(k."y" AS DECIMAL(38, 6)) AS TEXT), '.')
        THEN RTRIM(
          RTRIM(CAST(CAST(k."x" AS DECIMAL(38, 6)) * CAST(k."y" AS DECIMAL(38, 6)) AS TEXT), '0'),
          '.'
        )
        ELSE CAST(CAST(k."x" AS DECIMAL(38, 6)) * CAST(k."y" AS DECIMAL(38, 6)) AS TEXT)
      END
      ELSE LIST_TRANSFORM(
        LIST_TRANSFORM(
          LIST_TRANSFORM(
            LIST_TRANSFORM(
              LIST_TRANSFORM(
                LIST_TRANSFORM(
                  [
                    STRUCT_PACK(
                      "l" := REGEXP_EXTRACT(k."a", '^([+-]?[0-9]+)(?:[.]([0-9]+))?(?:[eE]([+-]?[0-9]+))?$', ['w', 'f', 'e']),
                      "r" := REGEXP_EXTRACT(k."b", '^([+-]?[0-9]+)(?:[.]([0-9]+))?(?:[eE]([+-]?[0-9]+))?$', ['w', 'f', 'e'])
                    )
                  ],
                  LAMBDA d : STRUCT_PACK(
                    "lm" := NULLIF(d."l"."w" || d."l"."f", ''),
                    "ls" := CASE
                      WHEN ABS(COALESCE(TRY_CAST(d."l"."e" AS INT), 0)) <= 1000
                      THEN LENGTH(d."l"."f") - COALESCE(TRY_CAST(d."l"."e" AS INT), 0)
                    END,
                    "rm" := NULLIF(d."r"."w" || d."r"."f", ''),
                    "rs" := CASE
                      WHEN ABS(COALESCE(TRY_CAST(d."r"."e" AS INT), 0)) <= 1000
                      THEN LENGTH(d."r"."f") - COALESCE(TRY_CAST(d."r"."e" AS INT), 0)
                    END
                  )
                ),
                LAMBDA d : STRUCT_PACK(
                  "n" := CASE WHEN STARTS_WITH(d."lm", '-') <> STARTS_WITH(d."rm", '-') THEN '-' ELSE '' END,
                  "s" := d."ls" + d."rs",
                  "lh" := DIVIDE(
                    ABS(CAST(TRY_CAST(d."lm" AS DECIMAL(38, 0)) AS INT128)),
                    CAST('10000000000000000000' AS INT128)
                  ),
                  "ll" := MOD(
                    ABS(CAST(TRY_CAST(d."lm" AS DECIMAL(38, 0)) AS INT128)),
                    CAST('10000000000000000000' AS INT128)
                  ),
                  "rh" := DIVIDE(
                    ABS(CAST(TRY_CAST(d."rm" AS DECIMAL(38, 0)) AS INT128)),
                    CAST('10000000000000000000' AS INT128)
                  ),
                  "rl" := MOD(
                    ABS(CAST(TRY_CAST(d."rm" AS DECIMAL(38, 0)) AS INT128)),
                    CAST('10000000000000000000' AS INT128)
                  )
                )
              ),
              LAMBDA d : STRUCT_PACK(
                "m" := d."n" || CAST((
                  (
                    (
                      CAST('0' AS BIGNUM) + CAST(CAST(d."lh" * d."rh" AS TEXT) || '00000000000000000000000000000000000000' AS BIGNUM)
                    ) + CAST(CAST(d."lh" * d."rl" AS TEXT) || '0000000000000000000' AS BIGNUM)
                  ) + CAST(CAST(d."ll" * d."rh" AS TEXT) || '0000000000000000000' AS BIGNUM)
                ) + CAST(CAST(d."ll" * d."rl" AS TEXT) || '' AS BIGNUM) AS TEXT),
                "s" := d."s"
              )
            ),
            LAMBDA d : STRUCT_PACK(
              "d" := CASE WHEN LTRIM(d."m", '+-0') = '' THEN '0' ELSE LTRIM(d."m", '+-0') END,
              "n" := CASE WHEN STARTS_WITH(d."m", '-') THEN '-' ELSE '' END,
              "s" := d."s"
            )
          ),
          LAMBDA d : STRUCT_PACK(
            "d" := CASE
              WHEN (
                LENGTH(d."d") - 38
              ) > 0
              THEN CAST(TRY_CAST(LEFT(d."d", 38) AS INT128) + CAST(SUBSTR(d."d", 39, 1) >= '5' AS INT) AS TEXT)
              ELSE d."d"
            END,
            "n" := d."n",
            "s" := d."s" - GREATEST(LENGTH(d."d") - 38, 0)
          )
        ),
        LAMBDA d : CASE
          WHEN d."d" = '0'
          THEN '0'
          ELSE CASE
            WHEN CONTAINS(
              CASE
                WHEN d."s" <= 0
                THEN d."n" || d."d" || CASE WHEN d."d" = '0' THEN '' ELSE REPEAT('0', 0 - d."s") END
                ELSE d."n" || LEFT(
                  LPAD(d."d", CAST(GREATEST(LENGTH(d."d"), d."s" + 1) AS INT), '0'),
                  GREATEST(LENGTH(d."d"), d."s" + 1) - d."s"
                ) || (
                  '.' || RIGHT(LPAD(d."d", CAST(GREATEST(LENGTH(d."d"), d."s" + 1) AS INT), '0'), d."s")
                )
              END,
              '.'
            )
            THEN RTRIM(
              RTRIM(
                CASE
                  WHEN d."s" <= 0
                  THEN d."n" || d."d" || CASE WHEN d."d" = '0' THEN '' ELSE REPEAT('0', 0 - d."s") END
                  ELSE d."n" || LEFT(
                    LPAD(d."d", CAST(GREATEST(LENGTH(d."d"), d."s" + 1) AS INT), '0'),
                    GREATEST(LENGTH(d."d"), d."s" + 1) - d."s"
                  ) || (
                    '.' || RIGHT(LPAD(d."d", CAST(GREATEST(LENGTH(d."d"), d."s" + 1) AS INT), '0'), d."s")
                  )
                END,
                '0'
              ),
              '.'
            )
            ELSE CASE
              WHEN d."s" <= 0
              THEN d."n" || d."d" || CASE WHEN d."d" = '0' THEN '' ELSE REPEAT('0', 0 - d."s") END
              ELSE d."n" || LEFT(
                LPAD(d."d", CAST(GREATEST(LENGTH(d."d"), d."s" + 1) AS INT), '0'),
                GREATEST(LENGTH(d."d"), d."s" + 1) - d."s"
              ) || (
                '.' || RIGHT(LPAD(d."d", CAST(GREATEST(LENGTH(d."d"), d."s" + 1) AS INT), '0'), d."s")
              )
            END
          END
        END
      )[1]
    END
  )[1] AS "double",
  COALESCE(COALESCE(r."status", '') || COALESCE('/', ''), '') || COALESCE(r."code"."text", '') AS "label",
  CASE
    WHEN 0 >= 0 AND 0 < LENGTH(r."status")
    THEN CASE
      WHEN 3 IS NOT NULL
      THEN SUBSTRING(r."status", 0 + 1, GREATEST(3, 0))
      ELSE SUBSTRING(r."status", 0 + 1)
    END
  END AS "prefix"
FROM fhir."Observation" AS r
