SELECT
  r."e_3"."v_1" AS "link"
FROM (
  SELECT
    r.*,
    UNNEST(
      LIST_CONCAT(
        LIST_TRANSFORM(r."l_1_1", LAMBDA x_1_1 : STRUCT_PACK("v_1" := x_1_1."linkId")),
        LIST_TRANSFORM(r."l_1_2", LAMBDA x_1_2 : STRUCT_PACK("v_1" := CAST(NULL AS TEXT))),
        LIST_TRANSFORM(r."l_1_3", LAMBDA x_1_3 : STRUCT_PACK("v_1" := CAST(NULL AS TEXT)))
      )
    ) AS "e_3"
  FROM (
    SELECT
      r.*,
      FLATTEN(LIST_TRANSFORM(r."l_1_1", LAMBDA x_1_1 : x_1_1."item")) AS "l_1_2",
      FLATTEN(
        LIST_TRANSFORM(
          r."l_1_1",
          LAMBDA x_1_1 : FLATTEN(LIST_TRANSFORM(x_1_1."answer", LAMBDA x_2 : x_2."item"))
        )
      ) AS "l_1_3"
    FROM (
      SELECT
        r.*,
        r."item" AS "l_1_1"
      FROM fhir."QuestionnaireResponse" AS r
    ) AS r
  ) AS r
) AS r
