# SPDX-License-Identifier: Apache-2.0
"""Loads the plugin by name, for where plug-ins are not loaded by themselves."""

pytest_plugins = ["landfall.plugin"]
