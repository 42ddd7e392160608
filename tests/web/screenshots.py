"""Takes pictures of the page: screenshots.py FOLDER. PARLEY_BIN names the program, PARLEY_WEB the page's folder."""
import os
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "lib")]

from model import Model  # noqa: E402
from parley import Parley  # noqa: E402
from services import Services, run_flow  # noqa: E402


def main(folder):
    os.makedirs(folder, exist_ok=True)
    os.environ["WEB_PICTURES"] = folder
    with Model() as model, Parley({"model_url": model.url}) as parley:
        failure = run_flow(shutil.which("node"), "../screenshots.mjs", "pictures", Services(parley, model))
    sys.exit(failure)


if __name__ == "__main__":
    main(os.path.abspath(sys.argv[1]))
