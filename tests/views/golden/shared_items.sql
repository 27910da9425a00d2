SELECT
  r."c_1"."system" AS "system",
  r."c_1"."code" AS "code",
  LIST_FILTER(
    FLATTEN(LIST_TRANSFORM(r."e_1"."relationship", LAMBDA x_4 : x_4."coding")),
    LAMBDA x_5 : x_5."system" = 'x'
  )[1]."code" AS "local"
FROM (
  SELECT
    r.*,
    CASE
      WHEN LEN(r."e_1"."relationship") <= 1
      THEN r."e_1"."relationship"[1]."coding"[1]
      ELSE FLATTEN(LIST_TRANSFORM(r."e_1"."relationship", LAMBDA x_2 : x_2."coding"))[1]
    END AS "c_1"
  FROM (
    SELECT
      r.*,
      UNNEST(CASE WHEN LEN(r."contact") > 0 THEN r."contact" ELSE [NULL] END) AS "e_1"
    FROM fhir."Patient" AS r
  ) AS r
) AS r
