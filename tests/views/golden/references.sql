SELECT
  COALESCE(
    NULLIF(REGEXP_EXTRACT(r."subject"."reference", '^Patient/([^\s/?#|]+)$', 1), ''),
    CASE
      WHEN CONTAINS(r."subject"."reference", '://')
      OR CONTAINS(r."subject"."reference", '/_history/')
      THEN NULLIF(
        REGEXP_EXTRACT(
          r."subject"."reference",
          '^(?:[Hh][Tt][Tt][Pp][Ss]?://[^\s?#]+/)?Patient/([^\s/?#|]+)(?:/_history/[^\s/?#|]+)?$',
          1
        ),
        ''
      )
    END
  ) AS "patient_id",
  COALESCE(
    NULLIF(REGEXP_EXTRACT(r."subject"."reference", '^[A-Z][A-Za-z]*/([^\s/?#|]+)$', 1), ''),
    CASE
      WHEN CONTAINS(r."subject"."reference", '://')
      OR CONTAINS(r."subject"."reference", '/_history/')
      THEN NULLIF(
        REGEXP_EXTRACT(
          r."subject"."reference",
          '^(?:[Hh][Tt][Tt][Pp][Ss]?://[^\s?#]+/)?[A-Z][A-Za-z]*/([^\s/?#|]+)(?:/_history/[^\s/?#|]+)?$',
          1
        ),
        ''
      )
    END
  ) AS "any_id",
  COALESCE(
    LIST_FILTER(
      LIST_TRANSFORM(
        r."performer",
        LAMBDA x_1 : COALESCE(
          NULLIF(REGEXP_EXTRACT(x_1."reference", '^Practitioner/([^\s/?#|]+)$', 1), ''),
          CASE
            WHEN CONTAINS(x_1."reference", '://') OR CONTAINS(x_1."reference", '/_history/')
            THEN NULLIF(
              REGEXP_EXTRACT(
                x_1."reference",
                '^(?:[Hh][Tt][Tt][Pp][Ss]?://[^\s?#]+/)?Practitioner/([^\s/?#|]+)(?:/_history/[^\s/?#|]+)?$',
                1
              ),
              ''
            )
          END
        )
      ),
      LAMBDA i : i IS NOT NULL
    ),
    CAST([] AS TEXT[])
  ) AS "performers"
FROM fhir."Observation" AS r
