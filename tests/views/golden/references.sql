SELECT
  COALESCE(
    NULLIF(
      REGEXP_EXTRACT(r."subject"."reference", '^Patient/([^\s/?#|]+)(?:/_history/[^\s/?#|]+)?$', 1),
      ''
    ),
    REGEXP_EXTRACT_ALL(
      r."subject"."reference",
      '^[Hh][Tt][Tt][Pp][Ss]?://[^\s?#]+/Patient/([^\s/?#|]+)(?:/_history/[^\s/?#|]+)?$',
      1
    )[1]
  ) AS "patient_id",
  COALESCE(
    NULLIF(
      REGEXP_EXTRACT(r."subject"."reference", '^[A-Z][A-Za-z]*/([^\s/?#|]+)(?:/_history/[^\s/?#|]+)?$', 1),
      ''
    ),
    REGEXP_EXTRACT_ALL(
      r."subject"."reference",
      '^[Hh][Tt][Tt][Pp][Ss]?://[^\s?#]+/[A-Z][A-Za-z]*/([^\s/?#|]+)(?:/_history/[^\s/?#|]+)?$',
      1
    )[1]
  ) AS "any_id",
  COALESCE(
    LIST_FILTER(
      LIST_TRANSFORM(
        r."performer",
        LAMBDA x_1 : COALESCE(
          NULLIF(
            REGEXP_EXTRACT(x_1."reference", '^Practitioner/([^\s/?#|]+)(?:/_history/[^\s/?#|]+)?$', 1),
            ''
          ),
          REGEXP_EXTRACT_ALL(
            x_1."reference",
            '^[Hh][Tt][Tt][Pp][Ss]?://[^\s?#]+/Practitioner/([^\s/?#|]+)(?:/_history/[^\s/?#|]+)?$',
            1
          )[1]
        )
      ),
      LAMBDA i : i IS NOT NULL
    ),
    CAST([] AS TEXT[])
  ) AS "performers"
FROM fhir."Observation" AS r
