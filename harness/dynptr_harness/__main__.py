"""`python -m dynptr_harness` is the command `dynptr-harness`."""

from dynptr_harness.cli import main

if __name__ == "__main__":
    main()
