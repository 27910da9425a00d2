SELECT
  r."id" AS "id",
  CAST(r."i_1" AS INT) AS "i",
  r."e_1"."family" AS "family",
  r."e_2" AS "given"
FROM (
  SELECT
    r.*,
    UNNEST(LIST_FILTER(r."e_1"."given", LAMBDA i : i IS NOT NULL)) AS "e_2"
  FROM (
    SELECT
      r.*,
      UNNEST(r."name") AS "e_1",
      UNNEST(RANGE(LEN(r."name"))) AS "i_1"
    FROM fhir."Patient" AS r
  ) AS r
) AS r
