"""What is done to a model from outside: so far the plan of it, which the planner and the recipes check."""
