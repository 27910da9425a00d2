SELECT
  r."id" AS "id",
  LIST_AGGREGATE(
    LIST_TRANSFORM(
      LIST_FILTER(r."code"."coding", LAMBDA x_2 : x_2."system" = 'http://snomed.info/sct'),
      LAMBDA x_3 : x_3."code"
    ),
    'any_value'
  ) AS "snomed",
  CASE
    WHEN LEN(r."code"."coding") <= 1
    THEN r."code"."coding"[1]."code"
    ELSE CASE
      WHEN LEN(
        LIST_FILTER(
          LIST_TRANSFORM(r."code"."coding", LAMBDA x_4 : x_4."code"),
          LAMBDA i : i IS NOT NULL
        )
      ) > 1
      THEN ERROR('LACUSTRE:column only yields several values where one is allowed')
      ELSE LIST_FILTER(
        LIST_TRANSFORM(r."code"."coding", LAMBDA x_4 : x_4."code"),
        LAMBDA i : i IS NOT NULL
      )[1]
    END
  END AS "only"
FROM fhir."Condition" AS r
WHERE
  COALESCE(
    LIST_CONTAINS(
      LIST_TRANSFORM(r."code"."coding", LAMBDA x_1 : x_1."system" = 'http://snomed.info/sct'),
      TRUE
    ),
    FALSE
  )
  AND CASE
    WHEN SUBSTR(r."onsetDateTime", 11, 1) = 'T'
    THEN CASE
      WHEN TRY_CAST(r."onsetDateTime" AS TIMESTAMPTZ) < CAST('2010-01-01T00:00:00' AS TIMESTAMPTZ)
      THEN FALSE
      WHEN TRY_CAST(r."onsetDateTime" AS TIMESTAMPTZ) >= CAST('2011-01-01T00:00:00' AS TIMESTAMPTZ)
      THEN TRUE
    END
    ELSE CASE
      WHEN REGEXP_FULL_MATCH(r."onsetDateTime", '[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?')
      THEN CASE
        WHEN LENGTH(r."onsetDateTime") = LENGTH('2010')
        THEN r."onsetDateTime" >= '2010'
        WHEN LEFT(r."onsetDateTime", LEAST(LENGTH(r."onsetDateTime"), LENGTH('2010'))) <> LEFT('2010', LEAST(LENGTH(r."onsetDateTime"), LENGTH('2010')))
        THEN r."onsetDateTime" >= '2010'
      END
    END
  END
