SELECT
  r."id" AS "id",
  r."e_1"."gender" AS "v"
FROM (
  SELECT
    r.*,
    UNNEST(r."contact") AS "e_1"
  FROM fhir."Patient" AS r
) AS r
UNION ALL
SELECT
  r."id" AS "id",
  r."e_2"."value" AS "v"
FROM (
  SELECT
    r.*,
    UNNEST(r."e_1"."telecom") AS "e_2"
  FROM (
    SELECT
      r.*,
      UNNEST(r."contact") AS "e_1"
    FROM fhir."Patient" AS r
  ) AS r
) AS r
UNION ALL
SELECT
  r."id" AS "id",
  CAST(NULL AS TEXT) AS "v"
FROM fhir."Patient" AS r
WHERE
  NOT (
    r."contact" IS NOT NULL
  )
