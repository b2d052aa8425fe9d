-- What hangs right now, longest first, on the nodes that were heard of in the last five minutes?
SELECT
    host,
    who,
    cause,
    confidence,
    connections,
    first AS since,
    summary
FROM conntracer.findings FINAL
WHERE state IN ('open', 'updated')
    AND session NOT IN (SELECT session FROM conntracer.summaries)
    AND session IN (
        SELECT session FROM conntracer.sessions WHERE time > now() - INTERVAL 5 MINUTE
        UNION ALL
        SELECT session FROM conntracer.stats WHERE time > now() - INTERVAL 5 MINUTE
        UNION ALL
        SELECT session FROM conntracer.findings WHERE time > now() - INTERVAL 5 MINUTE)
ORDER BY since, host;
