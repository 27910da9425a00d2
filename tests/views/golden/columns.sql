SELECT
  r."id" AS "id",
  r."gender" AS "gender",
  CASE
    WHEN LEN(r."name") <= 1
    THEN r."name"[1]."family"
    ELSE LIST_ANY_VALUE(LIST_TRANSFORM(r."name", LAMBDA x_1 : x_1."family"))
  END AS "family",
  COALESCE(
    LIST_FILTER(
      FLATTEN(LIST_TRANSFORM(r."name", LAMBDA x_2 : x_2."given")),
      LAMBDA i : i IS NOT NULL
    ),
    CAST([] AS TEXT[])
  ) AS "given",
  LIST_FILTER(r."name"[-1]."given", LAMBDA i : i IS NOT NULL)[-1] AS "last_given",
  CASE
    WHEN LIST_COUNT(r."address"[1]."line") > 0
    THEN ARRAY_TO_STRING(r."address"[1]."line", ', ')
  END AS "line",
  TRY_CAST(r."meta"."lastUpdated" AS TIMESTAMPTZ) AS "updated"
FROM fhir."Patient" AS r
