SELECT
  r."id" AS "id",
  r."e_1"."code" AS "code",
  r."e_3"."code" AS "category",
  CAST(r."i_3" AS INT) AS "i"
FROM (
  SELECT
    r.*,
    UNNEST(CASE WHEN LEN(r."l_3") > 0 THEN r."l_3" ELSE [NULL] END) AS "e_3",
    UNNEST(CASE WHEN LEN(RANGE(LEN(r."l_3"))) > 0 THEN RANGE(LEN(r."l_3")) ELSE [0] END) AS "i_3"
  FROM (
    SELECT
      r.*,
      UNNEST(CASE WHEN LEN(r."code"."coding") > 0 THEN r."code"."coding" ELSE [NULL] END) AS "e_1"
    FROM (
      SELECT
        r.*,
        FLATTEN(LIST_TRANSFORM(r."category", LAMBDA x_2 : x_2."coding")) AS "l_3"
      FROM fhir."Condition" AS r
    ) AS r
  ) AS r
) AS r
