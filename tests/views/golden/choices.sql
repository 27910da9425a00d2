SELECT
  r."valueQuantity"."value" AS "number",
  CASE
    WHEN r."valueQuantity" IS NOT NULL
    OR r."valueCodeableConcept" IS NOT NULL
    OR r."valueString" IS NOT NULL
    OR r."valueBoolean" IS NOT NULL
    OR r."valueInteger" IS NOT NULL
    OR r."valueRange" IS NOT NULL
    OR r."valueRatio" IS NOT NULL
    OR r."valueSampledData" IS NOT NULL
    OR r."valueTime" IS NOT NULL
    OR r."valueDateTime" IS NOT NULL
    OR r."valuePeriod" IS NOT NULL
    THEN r."valueQuantity" IS NOT NULL
  END AS "is_number",
  (
    r."valueQuantity" IS NOT NULL
    OR r."valueCodeableConcept" IS NOT NULL
    OR r."valueString" IS NOT NULL
    OR r."valueBoolean" IS NOT NULL
    OR r."valueInteger" IS NOT NULL
    OR r."valueRange" IS NOT NULL
    OR r."valueRatio" IS NOT NULL
    OR r."valueSampledData" IS NOT NULL
    OR r."valueTime" IS NOT NULL
    OR r."valueDateTime" IS NOT NULL
    OR r."valuePeriod" IS NOT NULL
  ) IS TRUE AS "has_value",
  CASE
    WHEN TRY_CAST(r."valueQuantity"."value" AS DOUBLE) <> TRY_CAST('5.5' AS DOUBLE)
    THEN TRY_CAST(r."valueQuantity"."value" AS DOUBLE) > TRY_CAST('5.5' AS DOUBLE)
    WHEN TRY_CAST(r."valueQuantity"."value" AS DOUBLE) = TRY_CAST('5.5' AS DOUBLE)
    THEN CASE
      WHEN r."valueQuantity"."value" = '5.5'
      THEN FALSE
      ELSE LIST_TRANSFORM(
        LIST_TRANSFORM(
          [
            STRUCT_PACK(
              "l" := REGEXP_EXTRACT(
                r."valueQuantity"."value",
                '^([+-]?[0-9]+)(?:[.]([0-9]+))?(?:[eE]([+-]?[0-9]+))?$',
                ['w', 'f', 'e']
              ),
              "r" := REGEXP_EXTRACT('5.5', '^([+-]?[0-9]+)(?:[.]([0-9]+))?(?:[eE]([+-]?[0-9]+))?$', ['w', 'f', 'e'])
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
        LAMBDA _d : TRY_CAST(_d."lm" || REPEAT('0', GREATEST(_d."ls", _d."rs") - _d."ls") AS BIGNUM) > TRY_CAST(_d."rm" || REPEAT('0', GREATEST(_d."ls", _d."rs") - _d."rs") AS BIGNUM)
      )[1]
    END
  END AS "above",
  CASE
    WHEN LEN(r."component") <= 1
    THEN r."component"[1]."valueString"
    ELSE LIST_AGGREGATE(LIST_TRANSFORM(r."component", LAMBDA x_1 : x_1."valueString"), 'any_value')
  END AS "text"
FROM fhir."Observation" AS r
