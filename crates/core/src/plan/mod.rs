//! Which step must wait for which: from a point and a target inventory to a run plan.
