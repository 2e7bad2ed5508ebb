import numpy
import scipy.linalg
from fastapi import FastAPI

app = FastAPI()


@app.get("/")
def versions() -> dict[str, object]:
    return {"numpy": numpy.__version__, "determinant": scipy.linalg.det(numpy.eye(2))}
