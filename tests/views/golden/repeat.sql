SELECT
  r."id" AS "id",
  CAST(r."i_2" AS INT) AS "i",
  r."e_2"."v_1" AS "link",
  r."e_3"."v_1" AS "answer"
FROM (
  SELECT
    r.*,
    UNNEST(CASE WHEN LEN(r."e_2"."v_2") > 0 THEN r."e_2"."v_2" ELSE [NULL] END) AS "e_3"
  FROM (
    SELECT
      r.*,
      UNNEST(r."l_2") AS "e_2",
      UNNEST(RANGE(LEN(r."l_2"))) AS "i_2"
    FROM (
      SELECT
        r.*,
        FLATTEN(
          LIST_TRANSFORM(
            r."item",
            LAMBDA x_1_1 : LIST_CONCAT(
              [
                STRUCT_PACK(
                  "v_1" := x_1_1."linkId",
                  "v_2" := LIST_TRANSFORM(x_1_1."answer", LAMBDA x_e_3_2 : STRUCT_PACK("v_1" := x_e_3_2."valueString"))
                )
              ],
              LIST_TRANSFORM(
                x_1_1."item",
                LAMBDA x_1_3 : STRUCT_PACK("v_1" := CAST(NULL AS TEXT), "v_2" := NULL)
              )
            )
          )
        ) AS "l_2"
      FROM fhir."QuestionnaireResponse" AS r
    ) AS r
  ) AS r
) AS r
