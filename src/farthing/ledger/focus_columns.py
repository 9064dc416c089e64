"""The columns of FOCUS Cost and Usage, as versions 1.2 and 1.4 have them."""

from __future__ import annotations

from typing import Final

_BOTH = (
    *("AvailabilityZone", "BilledCost", "BillingAccountId", "BillingAccountName"),
    *("BillingAccountType", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart"),
    *("CapacityReservationId", "CapacityReservationStatus", "ChargeCategory", "ChargeClass"),
    *("ChargeDescription", "ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart"),
    *("CommitmentDiscountCategory", "CommitmentDiscountId", "CommitmentDiscountName"),
    *("CommitmentDiscountQuantity", "CommitmentDiscountStatus", "CommitmentDiscountType"),
    *("CommitmentDiscountUnit", "ConsumedQuantity", "ConsumedUnit", "ContractedCost"),
    *("ContractedUnitPrice", "EffectiveCost", "InvoiceId", "InvoiceIssuerName", "ListCost"),
    *("ListUnitPrice", "PricingCategory", "PricingCurrency"),
    *("PricingCurrencyContractedUnitPrice", "PricingCurrencyEffectiveCost"),
    *("PricingCurrencyListUnitPrice", "PricingQuantity", "PricingUnit", "RegionId"),
    *("RegionName", "ResourceId", "ResourceName", "ResourceType", "ServiceCategory"),
    *("ServiceName", "ServiceSubcategory", "SkuId", "SkuMeter", "SkuPriceDetails"),
    *("SkuPriceId", "SubAccountId", "SubAccountName", "SubAccountType", "Tags"),
)
_ONLY_1_2 = ("ProviderName", "PublisherName")
_ONLY_1_4 = (
    *("AllocatedMethodDetails", "AllocatedMethodId", "AllocatedResourceId"),
    *("AllocatedResourceName", "AllocatedTags", "CommitmentProgramEligibilityDetails"),
    *("ContractApplied", "HostProviderName", "InvoiceDetailId", "ServiceProviderName"),
)

COLUMNS: Final = {
    "1.2": tuple(sorted((*_BOTH, *_ONLY_1_2))),
    "1.4": tuple(sorted((*_BOTH, *_ONLY_1_4))),
}
# Our own: what FOCUS has no column for, so that an import of the export loses nothing.
OWN: Final = ("x_CallCount", "x_CostBasis", "x_DescribesCalls", "x_Grain", "x_Model")

AMOUNTS: Final = frozenset(
    name for name in (*_BOTH, *_ONLY_1_4) if name.endswith(("Cost", "Price", "Quantity"))
)
TIMES: Final = frozenset(name for name in _BOTH if name.endswith(("PeriodStart", "PeriodEnd")))
