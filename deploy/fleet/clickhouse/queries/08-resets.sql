-- Who makes the RSTs of suspicious connections, and for which reason?
SELECT
    event,
    multiIf(rst_maker != '', rst_maker, event = 'rst-received', 'remote', 'unknown') AS maker,
    if(rst_reason = '', 'not told', rst_reason) AS reason,
    count() AS resets,
    uniqExact(host) AS nodes,
    min(time) AS first,
    max(time) AS last
FROM conntracer.events FINAL
WHERE event IN ('rst-sent', 'rst-received') AND time > now() - INTERVAL 7 DAY
GROUP BY event, maker, reason
ORDER BY resets DESC, event, maker, reason;
