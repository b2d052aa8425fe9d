-- Whose rules hang or reset whom, since when, and on how many nodes?
SELECT
    if(owner = '', 'no known owner', owner) AS whose,
    cause,
    uniqExact(host) AS nodes,
    count() AS findings,
    sum(findings.connections) AS connections,
    min(first) AS since,
    max(last) AS latest,
    arraySlice(arraySort(groupUniqArray(who)), 1, 10) AS whom
FROM conntracer.findings FINAL
WHERE state != 'retracted' AND has(culprits.kind, 'rule') AND last > now() - INTERVAL 7 DAY
GROUP BY whose, cause
ORDER BY connections DESC, whose, cause;
