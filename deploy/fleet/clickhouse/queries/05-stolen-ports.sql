-- Who takes over ports, how many, on how many nodes, and how many of them lead to nobody, as listed in the last hour?
SELECT
    if(owner = '', 'no known owner', owner) AS whose,
    count() AS stolen,
    uniqExact(host) AS nodes,
    uniqExact(host, netns_inode) AS namespaces,
    countIf(listening = false) AS nobody_listens,
    arraySlice(arraySort(groupUniqArray(rule)), 1, 10) AS rules
FROM
(
    SELECT *
    FROM conntracer.stolen_ports FINAL
    WHERE class = 'stolen' AND time > now() - INTERVAL 1 HOUR
    ORDER BY time DESC
    LIMIT 1 BY host, netns_inode, family, hook, protocol, ports, addresses, target, target_port, rule
)
GROUP BY whose
ORDER BY stolen DESC, whose;
