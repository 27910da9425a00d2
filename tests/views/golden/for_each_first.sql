SELECT
  r."id" AS "id",
  r."e_3"."valueQuantity"."value" AS "systolic",
  r."e_3"."valueQuantity"."unit" AS "unit"
FROM (
  SELECT
    r.*,
    UNNEST(
      LIST_FILTER(
        r."component",
        LAMBDA x_1 : COALESCE(
          LIST_CONTAINS(LIST_TRANSFORM(x_1."code"."coding", LAMBDA x_2 : x_2."code" = '8480-6'), TRUE),
          FALSE
        )
      )[1:1]
    ) AS "e_3"
  FROM fhir."Observation" AS r
) AS r
