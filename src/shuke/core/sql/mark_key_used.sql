UPDATE core_apikey SET last_used_on = %(today)s
WHERE id = (SELECT id FROM core_apikey
            WHERE id = %(id)s AND (last_used_on IS NULL OR last_used_on < %(today)s)
            FOR UPDATE SKIP LOCKED)
