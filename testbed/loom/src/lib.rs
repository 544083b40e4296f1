//! Every interleaving of the switch's lock-free parts, each built here on the model checker's atomics.
