-- How many findings of each cause does each day bring, and how sure are they?
SELECT
    toDate(first) AS day,
    cause,
    countIf(state != 'retracted' AND confidence = 'proved') AS proved,
    countIf(state != 'retracted' AND confidence = 'likely') AS likely,
    countIf(state != 'retracted' AND confidence = 'possible') AS possible,
    countIf(state = 'retracted') AS retracted,
    sumIf(connections, state != 'retracted') AS failed_connections
FROM conntracer.findings FINAL
WHERE first > now() - INTERVAL 90 DAY
GROUP BY day, cause
ORDER BY day, cause;
