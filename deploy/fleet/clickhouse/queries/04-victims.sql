-- Which pods suffer most, by connections that failed or hang, and by those that only wait behind them?
SELECT
    whom,
    sum(failed) AS connections,
    sum(waits) AS waiting,
    uniqExact(session, id) AS findings,
    uniqExact(host) AS nodes,
    arraySort(groupUniqArray(cause)) AS causes,
    max(last) AS latest
FROM
(
    SELECT host, session, id, cause, last, who AS whom, connections AS failed, 0 AS waits
    FROM conntracer.findings FINAL
    WHERE state != 'retracted' AND last > now() - INTERVAL 7 DAY
    UNION ALL
    SELECT
        host, session, id, cause, last,
        multiIf(victim.pod != '', concat(victim.namespace, '/', victim.pod), victim.process != '', victim.process, 'unknown') AS whom,
        0 AS failed,
        1 AS waits
    FROM conntracer.findings FINAL
    ARRAY JOIN victims AS victim
    WHERE state != 'retracted' AND last > now() - INTERVAL 7 DAY
)
GROUP BY whom
ORDER BY connections DESC, waiting DESC, whom
LIMIT 50;
