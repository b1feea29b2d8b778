async def carry_out(session, act, arguments, payload): return "later"
