"""Who writes: the engine protocol, its two implementations, the models' store and the queue before them."""

import os

# OpenMP's threads wait for each other by spinning, and so keep the very core from the thread they wait for as
# soon as anything else runs beside the model: on two busy cores decoding fell below 1 token a second, and is at 10
# to 14 when they sleep instead. Read once, when torch is first imported; who sets it outside has the last word.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
