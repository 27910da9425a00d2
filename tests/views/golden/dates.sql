SELECT
  CASE
    WHEN SUBSTR(r."period"."start", 11, 1) = 'T'
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
    WHEN SUBSTR(r."period"."start", 11, 1) = 'T' AND SUBSTR(r."period"."end", 11, 1) = 'T'
    THEN CASE
      WHEN (
        SUBSTR(r."period"."start", 17, 1) <> ':'
      ) <> (
        SUBSTR(r."period"."end", 17, 1) <> ':'
      )
      THEN CASE
        WHEN DATE_TRUNC('minute', TRY_CAST(r."period"."start" AS TIMESTAMPTZ)) <> DATE_TRUNC('minute', TRY_CAST(r."period"."end" AS TIMESTAMPTZ))
        THEN TRY_CAST(r."period"."start" AS TIMESTAMPTZ) = TRY_CAST(r."period"."end" AS TIMESTAMPTZ)
      END
      WHEN TRY_CAST(r."period"."start" AS TIMESTAMPTZ) <> TRY_CAST(r."period"."end" AS TIMESTAMPTZ)
      THEN TRY_CAST(r."period"."start" AS TIMESTAMPTZ) = TRY_CAST(r."period"."end" AS TIMESTAMPTZ)
      WHEN TRY_CAST(r."period"."start" AS TIMESTAMPTZ) = TRY_CAST(r."period"."end" AS TIMESTAMPTZ)
      THEN RTRIM(REGEXP_EXTRACT(r."period"."start", '[.]([0-9]+)', 1), '0') = RTRIM(REGEXP_EXTRACT(r."period"."end", '[.]([0-9]+)', 1), '0')
    END
    WHEN SUBSTR(r."period"."start", 11, 1) = 'T' OR SUBSTR(r."period"."end", 11, 1) = 'T'
    THEN CASE
      WHEN LEFT(
        CASE
          WHEN SUBSTR(r."period"."start", 11, 1) = 'T'
          THEN CAST(CAST(TRY_CAST(r."period"."start" AS TIMESTAMPTZ) AS DATE) AS TEXT)
          WHEN REGEXP_FULL_MATCH(r."period"."start", '[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?')
          THEN r."period"."start"
        END,
        LEAST(
          LENGTH(
            CASE
              WHEN SUBSTR(r."period"."start", 11, 1) = 'T'
              THEN CAST(CAST(TRY_CAST(r."period"."start" AS TIMESTAMPTZ) AS DATE) AS TEXT)
              WHEN REGEXP_FULL_MATCH(r."period"."start", '[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?')
              THEN r."period"."start"
            END
          ),
          LENGTH(
            CASE
              WHEN SUBSTR(r."period"."end", 11, 1) = 'T'
              THEN CAST(CAST(TRY_CAST(r."period"."end" AS TIMESTAMPTZ) AS DATE) AS TEXT)
              WHEN REGEXP_FULL_MATCH(r."period"."end", '[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?')
              THEN r."period"."end"
            END
          )
        )
      ) <> LEFT(
        CASE
          WHEN SUBSTR(r."period"."end", 11, 1) = 'T'
          THEN CAST(CAST(TRY_CAST(r."period"."end" AS TIMESTAMPTZ) AS DATE) AS TEXT)
          WHEN REGEXP_FULL_MATCH(r."period"."end", '[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?')
          THEN r."period"."end"
        END,
        LEAST(
          LENGTH(
            CASE
              WHEN SUBSTR(r."period"."start", 11, 1) = 'T'
              THEN CAST(CAST(TRY_CAST(r."period"."start" AS TIMESTAMPTZ) AS DATE) AS TEXT)
              WHEN REGEXP_FULL_MATCH(r."period"."start", '[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?')
              THEN r."period"."start"
            END
          ),
          LENGTH(
            CASE
              WHEN SUBSTR(r."period"."end", 11, 1) = 'T'
              THEN CAST(CAST(TRY_CAST(r."period"."end" AS TIMESTAMPTZ) AS DATE) AS TEXT)
              WHEN REGEXP_FULL_MATCH(r."period"."end", '[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?')
              THEN r."period"."end"
            END
          )
        )
      )
      THEN LEFT(
        CASE
          WHEN SUBSTR(r."period"."start", 11, 1) = 'T'
          THEN CAST(CAST(TRY_CAST(r."period"."start" AS TIMESTAMPTZ) AS DATE) AS TEXT)
          WHEN REGEXP_FULL_MATCH(r."period"."start", '[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?')
          THEN r."period"."start"
        END,
        LEAST(
          LENGTH(
            CASE
              WHEN SUBSTR(r."period"."start", 11, 1) = 'T'
              THEN CAST(CAST(TRY_CAST(r."period"."start" AS TIMESTAMPTZ) AS DATE) AS TEXT)
              WHEN REGEXP_FULL_MATCH(r."period"."start", '[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?')
              THEN r."period"."start"
            END
          ),
          LENGTH(
            CASE
              WHEN SUBSTR(r."period"."end", 11, 1) = 'T'
              THEN CAST(CAST(TRY_CAST(r."period"."end" AS TIMESTAMPTZ) AS DATE) AS TEXT)
              WHEN REGEXP_FULL_MATCH(r."period"."end", '[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?')
              THEN r."period"."end"
            END
          )
        )
      ) = LEFT(
        CASE
          WHEN SUBSTR(r."period"."end", 11, 1) = 'T'
          THEN CAST(CAST(TRY_CAST(r."period"."end" AS TIMESTAMPTZ) AS DATE) AS TEXT)
          WHEN REGEXP_FULL_MATCH(r."period"."end", '[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?')
          THEN r."period"."end"
        END,
        LEAST(
          LENGTH(
            CASE
              WHEN SUBSTR(r."period"."start", 11, 1) = 'T'
              THEN CAST(CAST(TRY_CAST(r."period"."start" AS TIMESTAMPTZ) AS DATE) AS TEXT)
              WHEN REGEXP_FULL_MATCH(r."period"."start", '[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?')
              THEN r."period"."start"
            END
          ),
          LENGTH(
            CASE
              WHEN SUBSTR(r."period"."end", 11, 1) = 'T'
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
            '^([0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3])(?::[0-5][0-9](?::(?:[0-5][0-9]|60))?)?)([.][0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2})?$',
            ['t', 'f', 'z']
          )
        )
      ],
      LAMBDA _d : NULLIF(_d."p"."t", '') || SUBSTR('0001-01-01T00:00:00', LENGTH(_d."p"."t") + 1) || RPAD(CASE WHEN _d."p"."f" = '' THEN '.' ELSE _d."p"."f" END, 4, '0') || COALESCE(NULLIF(_d."p"."z", ''), '+14:00')
    )[1]
    ELSE CASE
      WHEN REGEXP_FULL_MATCH(r."period"."start", '[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?')
      THEN CASE
        WHEN LENGTH(r."period"."start") = 4
        THEN r."period"."start" || '-01-01'
        WHEN LENGTH(r."period"."start") = 7
        THEN r."period"."start" || '-01'
        ELSE r."period"."start"
      END
    END || 'T00:00:00.000+14:00'
  END AS "low"
FROM fhir."Encounter" AS r
