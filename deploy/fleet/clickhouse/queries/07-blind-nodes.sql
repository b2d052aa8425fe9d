-- Where is the tracer blind, and where were records or lines lost, in the last day?
SELECT host, trouble, what, sum(times) AS times
FROM
(
    -- A cause that is weaker or cannot be found, for want of a hook.
    SELECT host, 'hook absent' AS trouble, concat(hook.hook, ' weakens ', arrayStringConcat(hook.weakens, ', ')) AS what, 1 AS times
    FROM conntracer.sessions FINAL
    ARRAY JOIN hooks AS hook
    WHERE hook.how = 'absent' AND notEmpty(hook.weakens) AND time > now() - INTERVAL 1 DAY
    UNION ALL
    SELECT host, 'records lost', source, lost
    FROM conntracer.losses FINAL
    WHERE time > now() - INTERVAL 1 DAY
    UNION ALL
    -- Counted since the session began: the last row has all.
    SELECT host, 'records suppressed', hook.hook, hook.suppressed
    FROM (SELECT * FROM conntracer.stats FINAL WHERE time > now() - INTERVAL 1 DAY ORDER BY seq DESC LIMIT 1 BY host, session)
    ARRAY JOIN hooks AS hook
    WHERE hook.suppressed > 0
    UNION ALL
    SELECT host, 'inquiries unanswered', 'in all', unresolved_inquiries
    FROM conntracer.summaries FINAL
    WHERE unresolved_inquiries > 0 AND time > now() - INTERVAL 1 DAY
    UNION ALL
    -- `seq` has no gaps as it is written.
    SELECT host, 'lines missing', 'on the way here', toUInt64(max(seq) - min(seq) + 1 - uniqExact(seq)) AS missing
    FROM conntracer.lines
    WHERE time > now() - INTERVAL 1 DAY
    GROUP BY host, session
    HAVING missing > 0
    UNION ALL
    SELECT host, 'lines unread', why, 1
    FROM conntracer.unread FINAL
    WHERE received > now() - INTERVAL 1 DAY
    UNION ALL
    SELECT host, 'lines of an unknown type', type, 1
    FROM conntracer.lines FINAL
    WHERE time > now() - INTERVAL 1 DAY
        AND type NOT IN ('hello', 'event', 'inquiry', 'answer', 'deadline', 'finding', 'stolen-port', 'stats', 'loss', 'summary')
)
GROUP BY host, trouble, what
ORDER BY host, trouble, what;
