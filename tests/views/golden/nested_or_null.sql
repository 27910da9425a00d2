SELECT
  r."id" AS "id",
  r."e_1"."gender" AS "gender",
  CASE WHEN r."p_1" THEN 'x' END AS "constant",
  r."e_2"."value" AS "phone"
FROM (
  SELECT
    r.*,
    UNNEST(CASE WHEN r."p_1" THEN r."e_1"."telecom" ELSE [NULL] END) AS "e_2"
  FROM (
    SELECT
      r.*,
      UNNEST(CASE WHEN LEN(r."contact") > 0 THEN r."contact" ELSE [NULL] END) AS "e_1",
      (
        LEN(r."contact") > 0
      ) IS TRUE AS "p_1"
    FROM fhir."Patient" AS r
  ) AS r
) AS r
