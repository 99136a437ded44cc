"""What is done to a model from outside, so that many processes train it as one."""
