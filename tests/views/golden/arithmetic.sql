SELECT
  TRY_CAST(CAST(CAST(COALESCE(LEN(r."component"), 0) AS INT) AS BIGINT) + CAST(1 AS BIGINT) AS INT) AS "sum",
  LIST_TRANSFORM(
    LIST_TRANSFORM(
      [STRUCT_PACK("a" := r."valueQuantity"."value", "b" := '2')],
      LAMBDA _k : STRUCT_PACK(
        "a" := _k."a",
        "b" := _k."b",
        "x" := TRY_CAST(_k."a" AS DECIMAL(18, 6)),
        "y" := TRY_CAST(_k."b" AS DECIMAL(18, 6))
      )
    ),
    LAMBDA _k : CASE
      WHEN LENGTH(_k."a") <= 15
      AND TRY_CAST(_k."a" AS DOUBLE) = CAST(_k."x" AS DOUBLE)
      AND LENGTH(_k."b") <= 15
      AND TRY_CAST(_k."b" AS DOUBLE) = CAST(_k."y" AS DOUBLE)
      THEN CASE
        WHEN CONTAINS(CAST(CAST(_k."x" AS DECIMAL(38, 6)) * CAST(_k."y" AS DECIMAL(38, 6)) AS TEXT), '.')
        THEN RTRIM(
          RTRIM(CAST(CAST(_k."x" AS DECIMAL(38, 6)) * CAST(_k."y" AS DECIMAL(38, 6)) AS TEXT), '0'),
          '.'
        )
        ELSE CAST(CAST(_k."x" AS DECIMAL(38, 6)) * CAST(_k."y" AS DECIMAL(38, 6)) AS TEXT)
      END
      ELSE LIST_TRANSFORM(
        LIST_TRANSFORM(
          LIST_TRANSFORM(
            LIST_TRANSFORM(
              LIST_TRANSFORM(
                LIST_TRANSFORM(
                  [
                    STRUCT_PACK(
                      "l" := REGEXP_EXTRACT(_k."a", '^([+-]?[0-9]+)(?:[.]([0-9]+))?(?:[eE]([+-]?[0-9]+))?$', ['w', 'f', 'e']),
                      "r" := REGEXP_EXTRACT(_k."b", '^([+-]?[0-9]+)(?:[.]([0-9]+))?(?:[eE]([+-]?[0-9]+))?$', ['w', 'f', 'e'])
                    )
                  ],
                  LAMBDA _d : STRUCT_PACK(
                    "lm" := NULLIF(_d."l"."w" || _d."l"."f", ''),
                    "ls" := CASE
                      WHEN ABS(CASE WHEN _d."l"."e" = '' THEN 0 ELSE TRY_CAST(_d."l"."e" AS INT) END) <= 1000
                      THEN LENGTH(_d."l"."f") - CASE WHEN _d."l"."e" = '' THEN 0 ELSE TRY_CAST(_d."l"."e" AS INT) END
                    END,
                    "rm" := NULLIF(_d."r"."w" || _d."r"."f", ''),
                    "rs" := CASE
                      WHEN ABS(CASE WHEN _d."r"."e" = '' THEN 0 ELSE TRY_CAST(_d."r"."e" AS INT) END) <= 1000
                      THEN LENGTH(_d."r"."f") - CASE WHEN _d."r"."e" = '' THEN 0 ELSE TRY_CAST(_d."r"."e" AS INT) END
                    END
                  )
                ),
                LAMBDA _d : STRUCT_PACK(
                  "n" := CASE
                    WHEN STARTS_WITH(_d."lm", '-') <> STARTS_WITH(_d."rm", '-')
                    THEN '-'
                    ELSE ''
                  END,
                  "s" := _d."ls" + _d."rs",
                  "lh" := DIVIDE(
                    ABS(CAST(TRY_CAST(_d."lm" AS DECIMAL(38, 0)) AS INT128)),
                    CAST('10000000000000000000' AS INT128)
                  ),
                  "ll" := MOD(
                    ABS(CAST(TRY_CAST(_d."lm" AS DECIMAL(38, 0)) AS INT128)),
                    CAST('10000000000000000000' AS INT128)
                  ),
                  "rh" := DIVIDE(
                    ABS(CAST(TRY_CAST(_d."rm" AS DECIMAL(38, 0)) AS INT128)),
                    CAST('10000000000000000000' AS INT128)
                  ),
                  "rl" := MOD(
                    ABS(CAST(TRY_CAST(_d."rm" AS DECIMAL(38, 0)) AS INT128)),
                    CAST('10000000000000000000' AS INT128)
                  )
                )
              ),
              LAMBDA _d : STRUCT_PACK(
                "m" := _d."n" || CAST((
                  (
                    (
                      CAST('0' AS BIGNUM) + CAST(CAST(_d."lh" * _d."rh" AS TEXT) || '00000000000000000000000000000000000000' AS BIGNUM)
                    ) + CAST(CAST(_d."lh" * _d."rl" AS TEXT) || '0000000000000000000' AS BIGNUM)
                  ) + CAST(CAST(_d."ll" * _d."rh" AS TEXT) || '0000000000000000000' AS BIGNUM)
                ) + CAST(CAST(_d."ll" * _d."rl" AS TEXT) || '' AS BIGNUM) AS TEXT),
                "s" := _d."s"
              )
            ),
            LAMBDA _d : STRUCT_PACK(
              "d" := CASE WHEN LTRIM(_d."m", '+-0') = '' THEN '0' ELSE LTRIM(_d."m", '+-0') END,
              "n" := CASE WHEN STARTS_WITH(_d."m", '-') THEN '-' ELSE '' END,
              "s" := _d."s"
            )
          ),
          LAMBDA _d : STRUCT_PACK(
            "d" := CASE
              WHEN (
                LENGTH(_d."d") - 38
              ) > 0
              THEN CAST(TRY_CAST(LEFT(_d."d", 38) AS INT128) + CAST(SUBSTR(_d."d", 39, 1) >= '5' AS INT) AS TEXT)
              ELSE _d."d"
            END,
            "n" := _d."n",
            "s" := _d."s" - GREATEST(LENGTH(_d."d") - 38, 0)
          )
        ),
        LAMBDA _d : CASE
          WHEN _d."d" = '0'
          THEN '0'
          ELSE CASE
            WHEN CONTAINS(
              CASE
                WHEN _d."s" <= 0
                THEN _d."n" || _d."d" || CASE WHEN _d."d" = '0' THEN '' ELSE REPEAT('0', 0 - _d."s") END
                ELSE _d."n" || LEFT(
                  LPAD(_d."d", CAST(GREATEST(LENGTH(_d."d"), _d."s" + 1) AS INT), '0'),
                  GREATEST(LENGTH(_d."d"), _d."s" + 1) - _d."s"
                ) || (
                  '.' || RIGHT(LPAD(_d."d", CAST(GREATEST(LENGTH(_d."d"), _d."s" + 1) AS INT), '0'), _d."s")
                )
              END,
              '.'
            )
            THEN RTRIM(
              RTRIM(
                CASE
                  WHEN _d."s" <= 0
                  THEN _d."n" || _d."d" || CASE WHEN _d."d" = '0' THEN '' ELSE REPEAT('0', 0 - _d."s") END
                  ELSE _d."n" || LEFT(
                    LPAD(_d."d", CAST(GREATEST(LENGTH(_d."d"), _d."s" + 1) AS INT), '0'),
                    GREATEST(LENGTH(_d."d"), _d."s" + 1) - _d."s"
                  ) || (
                    '.' || RIGHT(LPAD(_d."d", CAST(GREATEST(LENGTH(_d."d"), _d."s" + 1) AS INT), '0'), _d."s")
                  )
                END,
                '0'
              ),
              '.'
            )
            ELSE CASE
              WHEN _d."s" <= 0
              THEN _d."n" || _d."d" || CASE WHEN _d."d" = '0' THEN '' ELSE REPEAT('0', 0 - _d."s") END
              ELSE _d."n" || LEFT(
                LPAD(_d."d", CAST(GREATEST(LENGTH(_d."d"), _d."s" + 1) AS INT), '0'),
                GREATEST(LENGTH(_d."d"), _d."s" + 1) - _d."s"
              ) || (
                '.' || RIGHT(LPAD(_d."d", CAST(GREATEST(LENGTH(_d."d"), _d."s" + 1) AS INT), '0'), _d."s")
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
      THEN SUBSTRING(r."status", CAST(0 AS BIGINT) + 1, GREATEST(3, 0))
      ELSE SUBSTRING(r."status", CAST(0 AS BIGINT) + 1)
    END
  END AS "prefix"
FROM fhir."Observation" AS r
