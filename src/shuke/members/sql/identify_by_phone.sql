SELECT member_id FROM members_identifier WHERE blind = %s AND kind = 'phone' AND system = ''
