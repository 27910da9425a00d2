/*
@name: last_hba1c_by_patient
@title: Dernière HbA1c de chaque patient
@description: The last HbA1c of each patient before an instant, where it is above a threshold.
@version: 1.0.0
@status: active
*/
-- @relatedDependency: https://lacustre.health/ViewDefinition/observation as observation
-- @relatedDependency: https://lacustre.health/ViewDefinition/observation_code as observation_code
-- @relatedDependency: https://lacustre.health/ValueSet/hba1c as hba1c
-- @param: before dateTime Results from this instant on do not count
-- @param: above decimal Threshold in percent

-- Any of the codes of a result may be the one. Corrected results count; preliminary ones, those with a comparator
-- (< 4.0) and those without a day do not.
WITH result AS (
    SELECT
        patient_id,
        id AS observation_id,
        TRY_CAST(effective_date_time AS TIMESTAMPTZ) AS sampled_at,
        CAST(value_quantity AS DECIMAL(18, 6)) AS hba1c
    FROM observation
    WHERE EXISTS (
            SELECT 1
            FROM observation_code
            JOIN hba1c ON hba1c.system = observation_code.system AND hba1c.code = observation_code.code
            WHERE observation_code.observation_id = observation.id
        )
        AND status IN ('final', 'amended', 'corrected')
        AND value_unit_code = '%'
        AND value_comparator IS NULL
        AND value_quantity IS NOT NULL
),
last_result AS (
    SELECT patient_id, observation_id, sampled_at, hba1c
    FROM result
    WHERE sampled_at < :before
    QUALIFY row_number() OVER (PARTITION BY patient_id ORDER BY sampled_at DESC, observation_id) = 1
)
SELECT patient_id, sampled_at, hba1c
FROM last_result
WHERE hba1c > :above
ORDER BY hba1c DESC, patient_id
