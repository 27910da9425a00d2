SELECT
  r."id" AS "id",
  r."gender" AS "gender",
  CASE
    WHEN LEN(r."name") <= 1
    THEN r."name"[1]."family"
    ELSE LIST_AGGREGATE(LIST_TRANSFORM(r."name", LAMBDA x_1 : x_1."family"), 'any_value')
  END AS "family",
  COALESCE(
    LIST_FILTER(
      FLATTEN(LIST_TRANSFORM(r."name", LAMBDA x_2 : x_2."given")),
      LAMBDA i : i IS NOT NULL
    ),
    CAST([] AS TEXT[])
  ) AS "given",
  LIST_FILTER(r."name"[-1]."given", LAMBDA i : i IS NOT NULL)[-1] AS "last_given",
  LIST_AGGREGATE(r."address"[1]."line", 'string_agg', ', ') AS "line",
  TRY_CAST(REGEXP_EXTRACT(
    r."meta"."lastUpdated",
    '^([0-9]{3}[1-9]|[0-9]{2}[1-9]0|[0-9][1-9]00|[1-9]000)-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]+)?(Z|[+-]((0[0-9]|1[0-3]):[0-5][0-9]|14:00))?$'
  ) AS TIMESTAMPTZ) AS "updated"
FROM fhir."Patient" AS r
