# The two commands are `make run` and `make test`; all of them live in ./dev (see ./dev --help).
COMMANDS := setup run test check fmt bench sim lock size

.PHONY: $(COMMANDS)
$(COMMANDS):
	@python3 ./dev $@ $(ARGS)
