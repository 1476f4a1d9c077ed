"""Records that metrics and log lines are made from."""

from fedsilo.core import ClientScore, RoundRecord
from fedsilo.tasks.classification import Classification

TASK = Classification()


RECORD = RoundRecord(
    round=7,
    participants=(0, 2, 3),
    loss=0.83,
    metrics={"local_accuracy": 0.7, "worst_accuracy": 0.4, "neighbour_accuracy": 0.6},
    upload_bytes=300,
    download_bytes=200,
    dropped=(2,),
    epsilon=1.5,
    seconds={"train": 2.0, "evaluate": 0.5},
    slowest={"client": 2, "seconds": 1.5, "median": 0.5},
    attempts=3,
)


def score(client: int, correct: int, examples: int) -> ClientScore:
    return ClientScore(client, {"correct": correct, "examples": examples, "loss": 0.0})
