-- What is the whole story of one finding: what was seen when, who did it, what it was not, and what fixes it?
WITH found AS
(
    SELECT *
    FROM conntracer.findings FINAL
    WHERE session = {session:UUID} AND id = {finding:UInt64}
)
SELECT step.1 AS place, step.2 AS time, step.3 AS what, step.4 AS text
FROM
(
    SELECT arrayJoin(arrayConcat(
        [(1, first, concat(cause, ' (', confidence, ', ', state, ')'), summary)],
        arrayMap(x -> (2, coalesce(parseDateTime64BestEffortOrNull(JSONExtractString(x, 'time'), 9, 'UTC'), first),
            concat('seen by ', JSONExtractString(x, 'from')), x), evidence),
        arrayMap(x -> (3, last, concat('culprit: ', x.kind, if(x.owner = '', '', concat(' of ', x.owner))),
            arrayFirst(text -> text != '', [x.text, x.process, concat(x.address, if(x.port = 0, '', concat(' port ', toString(x.port))))])), culprits),
        arrayMap(x -> (4, last, concat('not ', x.cause), x.why_not), considered),
        arrayMap(x -> (5, last, concat('fix: ', x.why), x.command), fixes))) AS step
    FROM found
    UNION ALL
    SELECT (2, events.time, concat('event: ', event), concat(toString(events.source_address), ' ', toString(events.source_port), ' to ',
        toString(events.destination_address), ' ', toString(events.destination_port)))
    FROM (SELECT * FROM conntracer.events FINAL WHERE session = {session:UUID}) AS events
    INNER JOIN found USING (netns_inode, source_address, source_port, destination_address, destination_port)
)
ORDER BY place, time, what, text;
