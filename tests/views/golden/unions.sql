SELECT
  r."id" AS "id",
  r."e_1"."city" AS "city",
  TRUE AS "is_patient"
FROM (
  SELECT
    r.*,
    UNNEST(r."address") AS "e_1"
  FROM fhir."Patient" AS r
) AS r
UNION ALL
SELECT
  r."id" AS "id",
  r."e_3"."city" AS "city",
  FALSE AS "is_patient"
FROM (
  SELECT
    r.*,
    UNNEST(
      LIST_FILTER(LIST_TRANSFORM(r."contact", LAMBDA x_2 : x_2."address"), LAMBDA i : i IS NOT NULL)
    ) AS "e_3"
  FROM fhir."Patient" AS r
) AS r
