SELECT
  CASE
    WHEN LENGTH(r."period"."start") > 10
    THEN CASE
      WHEN TRY_CAST(r."period"."start" AS TIMESTAMPTZ) < CAST('2020-01-01T00:00:00' AS TIMESTAMPTZ)
      THEN FALSE
      WHEN TRY_CAST(r."period"."start" AS TIMESTAMPTZ) >= CAST('2020-01-02T00:00:00' AS TIMESTAMPTZ)
      THEN TRUE
    END
    ELSE CASE
      WHEN REGEXP_FULL_MATCH(r."period"."start", '[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?')
      THEN CASE
        WHEN LENGTH(r."period"."start") = LENGTH('2020-01-01')
        THEN r."period"."start" > '2020-01-01'
        WHEN LEFT(r."period"."start", LEAST(LENGTH(r."period"."start"), LENGTH('2020-01-01'))) <> LEFT('2020-01-01', LEAST(LENGTH(r."period"."start"), LENGTH('2020-01-01')))
        THEN r."period"."start" > '2020-01-01'
      END
    END
  END AS "after",
  CASE
    WHEN LENGTH(r."period"."start") > 10 AND LENGTH(r."period"."end") > 10
    THEN CASE
      WHEN TRY_CAST(r."period"."start" AS TIMESTAMPTZ) <> TRY_CAST(r."period"."end" AS TIMESTAMPTZ)
      THEN TRY_CAST(r."period"."start" AS TIMESTAMPTZ) = TRY_CAST(r."period"."end" AS TIMESTAMPTZ)
      WHEN TRY_CAST(r."period"."start" AS TIMESTAMPTZ) = TRY_CAST(r."period"."end" AS TIMESTAMPTZ)
      THEN RTRIM(REGEXP_EXTRACT(r."period"."start", '[.]([0-9]+)', 1), '0') = RTRIM(REGEXP_EXTRACT(r."period"."end", '[.]([0-9]+)', 1), '0')
    END
    WHEN LENGTH(r."period"."start") > 10 OR LENGTH(r."period"."end") > 10
    THEN CASE
      WHEN LEFT(
        CASE
          WHEN LENGTH(r."period"."start") > 10
          THEN CAST(CAST(TRY_CAST(r."period"."start" AS TIMESTAMPTZ) AS DATE) AS TEXT)
          WHEN REGEXP_FULL_MATCH(r."period"."start", '[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?')
          THEN r."period"."start"
        END,
        LEAST(
          LENGTH(
            CASE
              WHEN LENGTH(r."period"."start") > 10
              THEN CAST(CAST(TRY_CAST(r."period"."start" AS TIMESTAMPTZ) AS DATE) AS TEXT)
              WHEN REGEXP_FULL_MATCH(r."period"."start", '[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?')
              THEN r."period"."start"
            END
          ),
          LENGTH(
            CASE
              WHEN LENGTH(r."period"."end") > 10
              THEN CAST(CAST(TRY_CAST(r."period"."end" AS TIMESTAMPTZ) AS DATE) AS TEXT)
              WHEN REGEXP_FULL_MATCH(r."period"."end", '[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?')
              THEN r."period"."end"
            END
          )
        )
      ) <> LEFT(
        CASE
          WHEN LENGTH(r."period"."end") > 10
          THEN CAST(CAST(TRY_CAST(r."period"."end" AS TIMESTAMPTZ) AS DATE) AS TEXT)
          WHEN REGEXP_FULL_MATCH(r."period"."end", '[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?')
          THEN r."period"."end"
        END,
        LEAST(
          LENGTH(
            CASE
              WHEN LENGTH(r."period"."start") > 10
              THEN CAST(CAST(TRY_CAST(r."period"."start" AS TIMESTAMPTZ) AS DATE) AS TEXT)
              WHEN REGEXP_FULL_MATCH(r."period"."start", '[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?')
              THEN r."period"."start"
            END
          ),
          LENGTH(
            CASE
              WHEN LENGTH(r."period"."end") > 10
              THEN CAST(CAST(TRY_CAST(r."period"."end" AS TIMESTAMPTZ) AS DATE) AS TEXT)
              WHEN REGEXP_FULL_MATCH(r."period"."end", '[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?')
              THEN r."period"."end"
            END
          )
        )
      )
      THEN LEFT(
        CASE
          WHEN LENGTH(r."period"."start") > 10
          THEN CAST(CAST(TRY_CAST(r."period"."start" AS TIMESTAMPTZ) AS DATE) AS TEXT)
          WHEN REGEXP_FULL_MATCH(r."period"."start", '[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?')
          THEN r."period"."start"
        END,
        LEAST(
          LENGTH(
            CASE
              WHEN LENGTH(r."period"."start") > 10
              THEN CAST(CAST(TRY_CAST(r."period"."start" AS TIMESTAMPTZ) AS DATE) AS TEXT)
              WHEN REGEXP_FULL_MATCH(r."period"."start", '[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?')
              THEN r."period"."start"
            END
          ),
          LENGTH(
            CASE
              WHEN LENGTH(r."period"."end") > 10
              THEN CAST(CAST(TRY_CAST(r."period"."end" AS TIMESTAMPTZ) AS DATE) AS TEXT)
              WHEN REGEXP_FULL_MATCH(r."period"."end", '[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?')
              THEN r."period"."end"
            END
          )
        )
      ) = LEFT(
        CASE
          WHEN LENGTH(r."period"."end") > 10
          THEN CAST(CAST(TRY_CAST(r."period"."end" AS TIMESTAMPTZ) AS DATE) AS TEXT)
          WHEN REGEXP_FULL_MATCH(r."period"."end", '[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?')
          THEN r."period"."end"
        END,
        LEAST(
          LENGTH(
            CASE
              WHEN LENGTH(r."period"."start") > 10
              THEN CAST(CAST(TRY_CAST(r."period"."start" AS TIMESTAMPTZ) AS DATE) AS TEXT)
              WHEN REGEXP_FULL_MATCH(r."period"."start", '[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?')
              THEN r."period"."start"
            END
          ),
          LENGTH(
            CASE
              WHEN LENGTH(r."period"."end") > 10
              THEN CAST(CAST(TRY_CAST(r."period"."end" AS TIMESTAMPTZ) AS DATE) AS TEXT)
              WHEN REGEXP_FULL_MATCH(r."period"."end", '[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?')
              THEN r."period"."end"
            END
          )
        )
      )
    END
    ELSE CASE
      WHEN REGEXP_FULL_MATCH(r."period"."start", '[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?')
      AND REGEXP_FULL_MATCH(r."period"."end", '[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?')
      THEN CASE
        WHEN LENGTH(r."period"."start") = LENGTH(r."period"."end")
        THEN r."period"."start" = r."period"."end"
        WHEN LEFT(r."period"."start", LEAST(LENGTH(r."period"."start"), LENGTH(r."period"."end"))) <> LEFT(r."period"."end", LEAST(LENGTH(r."period"."start"), LENGTH(r."period"."end")))
        THEN r."period"."start" = r."period"."end"
      END
    END
  END AS "same",
  CASE
    WHEN LENGTH(r."period"."start") > 10
    THEN LIST_TRANSFORM(
      [
        STRUCT_PACK(
          "p" := REGEXP_EXTRACT(
            r."period"."start",
            '^([0-9-]{10}T[0-9:]{2,8})([.][0-9]+)?(Z|[+-][0-9:]{5})?$',
            ['t', 'f', 'z']
          )
        )
      ],
      LAMBDA _d : NULLIF(_d."p"."t", '') || SUBSTR('0001-01-01T00:00:00', LENGTH(_d."p"."t") + 1) || RPAD(CASE WHEN _d."p"."f" = '' THEN '.' ELSE _d."p"."f" END, 4, '0') || COALESCE(NULLIF(_d."p"."z", ''), '+14:00')
    )[1]
    ELSE CASE
      WHEN LENGTH(r."period"."start") = 4
      THEN r."period"."start" || '-01-01'
      WHEN LENGTH(r."period"."start") = 7
      THEN r."period"."start" || '-01'
      ELSE r."period"."start"
    END || 'T00:00:00.000+14:00'
  END AS "low"
FROM fhir."Encounter" AS r
