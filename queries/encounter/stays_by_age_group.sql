/*
@name: stays_by_age_group
@title: Séjours hospitaliers par groupe d'âge
@description: Inpatient stays by age group: how many, of how many patients, and how long, admitted from one day to another.
@version: 1.0.0
@status: active
*/
-- @relatedDependency: https://lacustre.health/Library/inpatient_stays as inpatient_stays
-- @param: from_date date First day of admission
-- @param: to_date date Last day of admission

SELECT
    CASE
        WHEN age IS NULL THEN 'unknown'
        WHEN age < 18 THEN '00-17'
        WHEN age < 65 THEN '18-64'
        WHEN age < 75 THEN '65-74'
        WHEN age < 85 THEN '75-84'
        ELSE '85+'
    END AS age_group,
    count(*) AS stays,
    count(DISTINCT patient_id) AS patients,
    round(avg(discharged_on - admitted_on), 1) AS mean_days
FROM inpatient_stays
WHERE admitted_on BETWEEN :from_date AND :to_date
GROUP BY age_group
ORDER BY age_group
