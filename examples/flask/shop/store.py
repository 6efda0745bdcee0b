"""What the shop does: it takes orders, and counts its visitors in Redis."""

from flask import Blueprint, jsonify, request
from redis import RedisError

from .extensions import db, redis_client

store = Blueprint("store", __name__)


class Order(db.Model):
    id = db.Column(db.Integer, primary_key=True)
    item = db.Column(db.String(200), nullable=False)


@store.get("/")
def front_page():
    try:
        visits = redis_client().incr("visits")
    except RedisError:
        visits = None  # a shop without its counter still sells
    return jsonify(visits=visits, orders=db.session.query(Order).count())


@store.post("/orders")
def place_order():
    body = request.get_json(silent=True)
    item = body.get("item") if isinstance(body, dict) else None
    if not isinstance(item, str) or not 0 < len(item) <= 200:
        return jsonify(error="item: a text of 1 to 200 characters is needed"), 422
    order = Order(item=item)
    db.session.add(order)
    db.session.commit()
    return jsonify(id=order.id, item=order.item), 201
