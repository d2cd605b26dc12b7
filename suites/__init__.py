# SPDX-License-Identifier: Apache-2.0
"""What is promised: one file per promise; the first line of each file is the promise."""
