-- What started it: of each cause and owner the first finding, its rule and its pod's labels, and which nodes followed in which hour?
SELECT
    cause,
    if(owner = '', 'no known owner', owner) AS whose,
    min(at) AS started,
    argMin(host, at) AS first_node,
    argMin(whom, at) AS first_whom,
    argMin(rule, at) AS first_rule,
    argMin(labels, at) AS first_labels,
    arraySort(groupArray((toStartOfHour(at), host))) AS nodes_by_hour
FROM
(
    SELECT
        cause,
        owner,
        host,
        min(first) AS at,
        argMin(who, first) AS whom,
        argMin(tupleElement(arrayFirst(culprit -> culprit.kind = 'rule', culprits), 'text'), first) AS rule,
        argMin(pod_labels, first) AS labels
    FROM conntracer.findings FINAL
    WHERE state != 'retracted' AND last > now() - INTERVAL 7 DAY
    GROUP BY cause, owner, host
)
GROUP BY cause, owner
ORDER BY started;
