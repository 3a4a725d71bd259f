"""Balanced trains by Bloch rotations of one isochromat: no polar angle is held, no hybrid state assumed."""

import numpy as np


def balanced_train(tissue, flip_angles, period, start, *, off_resonance=0.0) -> np.ndarray:
    """Echoes half a period after each pulse, in the frame of its pulse; `start` is the length before the train.

    Pulse n turns about the y axis by αₙ in its own frame, which turns by π from pulse to pulse. The preparation is a
    turn by minus the polar angle of the first interval from the first pulse's goal: together they turn z to it.
    """
    t1, t2, b1 = tissue
    angles = b1 * np.asarray(flip_angles)
    half = period / 2
    kept = np.array([np.exp(-half / t2), np.exp(-half / t2), np.exp(-half / t1)])
    phase = off_resonance * half
    precession = np.array([[np.cos(phase), -np.sin(phase), 0], [np.sin(phase), np.cos(phase), 0], [0, 0, 1]])
    first = (angles[0] + angles[min(1, len(angles) - 1)]) / 4
    state = np.array([0.0, 0.0, start])
    signal = []
    for turn in (first, *angles[1:]):
        state = np.array([-1, -1, 1]) * state if signal else state  # into the next pulse's frame
        cosine, sine = np.cos(turn), np.sin(turn)
        state = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]]) @ state
        for is_echo in (True, False):
            state = kept * (precession @ state) + np.array([0, 0, 1 - kept[2]])
            if is_echo:
                signal.append(state[0] + 1j * state[1])
    return np.array(signal)
