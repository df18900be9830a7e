# SPDX-License-Identifier: Apache-2.0
"""Whether a host can run the product: probes of the host, rules by area, and the report made of them."""
