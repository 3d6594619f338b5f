"""`python -m cli`: how `mirepoix up` starts its children."""

from cli.main import main

if __name__ == "__main__":
    main()
