SELECT
  CASE
    WHEN LEN(
      LIST_FILTER(
        LIST_TRANSFORM(
          LIST_FILTER(
            FLATTEN(
              LIST_TRANSFORM(
                LIST_FILTER(r."extension", LAMBDA x_1 : x_1."url" = 'http://e/race'),
                LAMBDA x_2 : x_2."extension"
              )
            ),
            LAMBDA x_3 : x_3."url" = 'omb'
          ),
          LAMBDA x_4 : x_4."valueCoding"."code"
        ),
        LAMBDA i : i IS NOT NULL
      )
    ) > 1
    THEN ERROR('LACUSTRE:column race yields several values where one is allowed')
    ELSE LIST_FILTER(
      LIST_TRANSFORM(
        LIST_FILTER(
          FLATTEN(
            LIST_TRANSFORM(
              LIST_FILTER(r."extension", LAMBDA x_1 : x_1."url" = 'http://e/race'),
              LAMBDA x_2 : x_2."extension"
            )
          ),
          LAMBDA x_3 : x_3."url" = 'omb'
        ),
        LAMBDA x_4 : x_4."valueCoding"."code"
      ),
      LAMBDA i : i IS NOT NULL
    )[1]
  END AS "race",
  CASE
    WHEN LEN(
      LIST_FILTER(
        LIST_TRANSFORM(
          LIST_FILTER(r."_birthDate"."extension", LAMBDA x_5 : x_5."url" = 'http://e/absent'),
          LAMBDA x_6 : x_6."valueCode"
        ),
        LAMBDA i : i IS NOT NULL
      )
    ) > 1
    THEN ERROR('LACUSTRE:column reason yields several values where one is allowed')
    ELSE LIST_FILTER(
      LIST_TRANSFORM(
        LIST_FILTER(r."_birthDate"."extension", LAMBDA x_5 : x_5."url" = 'http://e/absent'),
        LAMBDA x_6 : x_6."valueCode"
      ),
      LAMBDA i : i IS NOT NULL
    )[1]
  END AS "reason",
  (
    r."birthDate" IS NOT NULL OR r."_birthDate" IS NOT NULL
  ) IS TRUE AS "born",
  LIST_AGGREGATE(
    LIST_TRANSFORM(
      LIST_FILTER(
        FLATTEN(
          LIST_TRANSFORM(
            FLATTEN(
              LIST_TRANSFORM(
                r."name",
                LAMBDA x_7 : LIST_TRANSFORM(
                  LIST_FILTER(
                    LIST_ZIP(COALESCE(x_7."given", []), COALESCE(x_7."_given", [])),
                    LAMBDA z : z[1] IS NOT NULL OR z[2] IS NOT NULL
                  ),
                  LAMBDA z : STRUCT_PACK("v" := z[1], "c" := CASE WHEN z[2] IS NOT NULL THEN z[2] END)
                )
              )
            ),
            LAMBDA x_8 : x_8."c"."extension"
          )
        ),
        LAMBDA x_9 : x_9."url" = 'http://e/source'
      ),
      LAMBDA x_10 : COALESCE(x_10."valueCode", x_10."valueId", x_10."valueMarkdown", x_10."valueString")
    ),
    'any_value'
  ) AS "given_source"
FROM fhir."Patient" AS r
