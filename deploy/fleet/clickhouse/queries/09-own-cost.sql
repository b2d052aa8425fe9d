-- What does conntracer itself cost on each node: share of one processor, memory, and how full the ring was at most?
SELECT
    host,
    count() AS sessions,
    round(100 * sum(cpu_ms) / sum(dateDiff('millisecond', started, latest)), 3) AS cpu_percent,
    max(resident) AS resident_bytes,
    max(maps) AS map_bytes,
    max(high_water) AS ring_high_water_bytes,
    max(most_tracked) AS tracked
FROM
(
    SELECT
        host,
        session,
        max(time) AS latest,
        max(stats.cpu_ms) AS cpu_ms,
        max(stats.resident_bytes) AS resident,
        max(stats.map_bytes) AS maps,
        max(stats.ring_high_water) AS high_water,
        max(stats.tracked) AS most_tracked
    FROM conntracer.stats FINAL
    WHERE time > now() - INTERVAL 7 DAY
    GROUP BY host, session
) AS costs
INNER JOIN (SELECT session, min(time) AS started FROM conntracer.sessions FINAL GROUP BY session) AS begun USING (session)
GROUP BY host
ORDER BY cpu_percent DESC, host;
