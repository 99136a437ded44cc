"""The training planner: FLOPs, memory, stages, schedules and days of a run, before any of it is paid for."""
