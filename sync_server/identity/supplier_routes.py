"""What suppliers ask for, with a machine key or a session."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from ..answers import problems
from ..dependencies import ReadDep, ServicesDep, TokenDep
from ..instants import iso
from . import supplies
from .refusals import path_of
from .schemas import DeliveriesAnswer, DeliveryAnswer, SupplierAnswer, SupplyAnswer

router = APIRouter(prefix="/v1/supplier", tags=["supplier"], responses=problems(401, 403, 404))


def _supplier(request: Request, services: ServicesDep, token: TokenDep) -> supplies.Supplier:
    return supplies.supplier_of(services, token, path_of(request))


SupplierDep = Annotated[supplies.Supplier, Depends(_supplier)]


@router.get("")
def supplier(services: ServicesDep, asking: SupplierDep) -> SupplierAnswer:
    """Who asks, and which datasets and sites are its own."""
    return SupplierAnswer(
        organisation=asking.organisation_name,
        supplies=[
            SupplyAnswer(dataset=dataset, title=services.definitions[dataset].title, site=site)
            for dataset, site in asking.sites
            if dataset in services.definitions
        ],
    )


@router.get("/deliveries")
def deliveries(
    services: ServicesDep,
    session: ReadDep,
    asking: SupplierDep,
    dataset: Annotated[str | None, Query(max_length=32)] = None,
    site: Annotated[str | None, Query(max_length=64)] = None,
) -> DeliveriesAnswer:
    """The supplier's own deliveries, at most 200, the newest first."""
    return DeliveriesAnswer(
        deliveries=[
            DeliveryAnswer(
                dataset=delivery.dataset,
                site=delivery.site,
                release=delivery.release,
                loaded_at=iso(delivery.loaded_at),
                rows_in=delivery.rows_in,
                accepted=delivery.accepted,
                rejected=delivery.rejected,
                duplicates=delivery.duplicates,
                left=delivery.left,
            )
            for delivery in supplies.deliveries(services, session, asking, dataset, site)
        ]
    )
